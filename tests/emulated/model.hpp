// A random Mamba-1 model, and a token through it in double, rounded where the kernel rounds.
#pragma once
#include <vector>

#include "mamba1_token.hpp"
#include "matrix.hpp"

inline constexpr int d_state = 16, taps = 4;

struct Layer {
    Matrix<float> norm, conv_weight, conv_bias, history, dt_weight, dt_bias, a, d, state;
    Matrix<__nv_bfloat16> in_proj, x_proj, out_proj;

    Layer(int d_model, int dt_rank, Random& random);
    [[nodiscard]] bool unchanged() const;
};

struct Model {
    Model(int d_model_, int layer_count, int vocab);

    int d_model, dt_rank;
    std::vector<Layer> layers;
    Matrix<float> last_norm;
    Matrix<__nv_bfloat16> head;  // [vocab, d_model]
};

class Reference {
public:
    explicit Reference(const Model& model);
    // What the layers add to the residual is added there.
    void step(std::vector<double>& residual);
    // Of a residual that has been through the layers.
    [[nodiscard]] std::vector<double> logits(const std::vector<double>& residual) const;

    std::vector<std::vector<double>> states, histories;  // of the layers

private:
    struct Inner {
        std::vector<double> x, z;
    };
    [[nodiscard]] Inner project(std::size_t layer, const std::vector<double>& residual) const;
    void convolve(std::size_t layer, std::vector<double>& x);
    [[nodiscard]] std::vector<double> scan(std::size_t layer, const Inner& inner);

    const Model& model_;
};
