#include "model.hpp"

#include <cmath>

namespace {

using bf16 = __nv_bfloat16;

constexpr double norm_eps = 1e-5;
constexpr int between_rows = 32;  // elements, where a matrix has a stride of its own

[[nodiscard]] double rounded(double v) { return static_cast<float>(bf16(static_cast<float>(v))); }
[[nodiscard]] double silu(double v) { return v / (1 + std::exp(-v)); }
[[nodiscard]] double softplus(double v) { return v > 20 ? v : std::log1p(std::exp(v)); }

[[nodiscard]] std::vector<double> product(const Matrix<bf16>& w, const std::vector<double>& x) {
    std::vector<double> out;
    for (int r = 0; r < w.rows(); ++r) {
        double sum[4] = {};  // for speed
        for (int c = 0; c < w.cols(); ++c)
            sum[c % 4] += static_cast<double>(static_cast<float>(w.at(r, c))) * x[std::size_t(c)];
        out.push_back(sum[0] + sum[1] + sum[2] + sum[3]);
    }
    return out;
}

[[nodiscard]] double norm_factor(const std::vector<double>& x) {
    double squares = 0;
    for (double v : x) squares += v * v;
    return 1 / std::sqrt(squares / static_cast<double>(x.size()) + norm_eps);
}

// As the kernel does: the norm's factor comes after the product, and what is multiplied is rounded.
[[nodiscard]] std::vector<double> normed_product(const Matrix<float>& norm, const Matrix<bf16>& w,
                                                 const std::vector<double>& x) {
    std::vector<double> normed = norm.values();
    for (std::size_t c = 0; c < x.size(); ++c) normed[c] = rounded(normed[c] * x[c]);
    std::vector<double> out = product(w, normed);
    for (double& v : out) v *= norm_factor(x);
    return out;
}

// Checkpoints are bf16.
void round(const Matrix<float>& m) {
    m.for_each([](float& v) { v = bf16(v); });
}

}  // namespace

Layer::Layer(int d_model, int dt_rank, Random& random)
    : norm(1, d_model),
      conv_weight(taps, 2 * d_model, 2 * d_model + between_rows),
      conv_bias(1, 2 * d_model),
      history(taps - 1, 2 * d_model, 2 * d_model + between_rows),
      dt_weight(2 * d_model, dt_rank),
      dt_bias(1, 2 * d_model),
      a(d_state, 2 * d_model, 2 * d_model + between_rows),
      d(1, 2 * d_model),
      state(d_state, 2 * d_model, 2 * d_model + between_rows),
      in_proj(4 * d_model, d_model),
      x_proj(dt_rank + 2 * d_state, 2 * d_model),
      out_proj(d_model, 2 * d_model) {
    random.fill(norm, 0.1, 1);
    random.fill(conv_weight, 0.5);
    random.fill(conv_bias, 0.1);
    random.fill(history, 1);
    random.fill(dt_weight, 1 / std::sqrt(dt_rank));
    round(history);
    round(dt_weight);
    dt_bias.for_each([&](float& v) {
        const double dt = std::exp(std::log(1e-3) + random.uniform() * std::log(100.0));
        v = static_cast<float>(std::log(std::expm1(dt)));
    });
    for (int n = 0; n < d_state; ++n)
        for (int c = 0; c < a.cols(); ++c)
            a.at(n, c) = static_cast<float>(-(n + 1) * (1 + 0.1 * random.uniform()));
    random.fill(d, 0.2, 1);
    random.fill(state, 0.3);
    random.fill(in_proj, 1 / std::sqrt(d_model));
    random.fill(x_proj, 1 / std::sqrt(2 * d_model));
    random.fill(out_proj, 1 / std::sqrt(2 * d_model));
    for (auto* m : {&norm, &conv_weight, &conv_bias, &dt_weight, &dt_bias, &a, &d}) m->keep();
    for (auto* m : {&in_proj, &x_proj, &out_proj}) m->keep();
}

bool Layer::unchanged() const {
    for (const auto* m : {&norm, &conv_weight, &conv_bias, &dt_weight, &dt_bias, &a, &d})
        if (!m->unchanged()) return false;
    return in_proj.unchanged() && x_proj.unchanged() && out_proj.unchanged();
}

Model::Model(int d_model_, int layer_count, int vocab)
    : d_model(d_model_), dt_rank(d_model_ / 16), last_norm(1, d_model_), head(vocab, d_model_) {
    Random random(1);
    for (int i = 0; i < layer_count; ++i) layers.emplace_back(d_model, dt_rank, random);
    random.fill(last_norm, 0.1, 1);
    random.fill(head, 1 / std::sqrt(d_model));
}

Reference::Reference(const Model& model) : model_(model) {
    for (const Layer& l : model.layers) {
        states.push_back(l.state.values());
        histories.push_back(l.history.values());
    }
}

void Reference::step(std::vector<double>& residual) {
    for (std::size_t i = 0; i < model_.layers.size(); ++i) {
        Inner inner = project(i, residual);
        convolve(i, inner.x);
        const auto added = product(model_.layers[i].out_proj, scan(i, inner));
        for (std::size_t c = 0; c < residual.size(); ++c) residual[c] += added[c];
    }
}

std::vector<double> Reference::logits(const std::vector<double>& residual) const {
    return normed_product(model_.last_norm, model_.head, residual);
}

Reference::Inner Reference::project(std::size_t layer, const std::vector<double>& residual) const {
    const Layer& l = model_.layers[layer];
    auto both = normed_product(l.norm, l.in_proj, residual);
    for (double& v : both) v = rounded(v);
    const auto middle = both.begin() + l.d.cols();
    return {{both.begin(), middle}, {middle, both.end()}};
}

void Reference::convolve(std::size_t layer, std::vector<double>& x) {
    const Layer& l = model_.layers[layer];
    auto& history = histories[layer];
    for (std::size_t c = 0; c < x.size(); ++c) {
        const int channel = static_cast<int>(c);
        double sum = l.conv_bias.at(0, channel) + l.conv_weight.at(taps - 1, channel) * x[c];
        for (std::size_t k = 0; k < taps - 1; ++k) {
            sum += l.conv_weight.at(static_cast<int>(k), channel) * history[k * x.size() + c];
            history[k * x.size() + c] = k + 2 < taps ? history[(k + 1) * x.size() + c] : x[c];
        }
        x[c] = rounded(silu(sum));
    }
}

std::vector<double> Reference::scan(std::size_t layer, const Inner& inner) {
    const Layer& l = model_.layers[layer];
    const std::size_t channels = inner.x.size(), rank = std::size_t(model_.dt_rank);
    auto dt_b_c = product(l.x_proj, inner.x);
    for (double& v : dt_b_c) v = rounded(v);
    std::vector<double> y(channels);
    for (std::size_t c = 0; c < channels; ++c) {
        const int channel = static_cast<int>(c);
        double sum = l.dt_bias.at(0, channel);
        for (std::size_t r = 0; r < rank; ++r)
            sum += l.dt_weight.at(channel, static_cast<int>(r)) * dt_b_c[r];
        const double delta = rounded(softplus(sum));
        y[c] = l.d.at(0, channel) * inner.x[c];
        for (std::size_t n = 0; n < d_state; ++n) {
            double& h = states[layer][n * channels + c];
            const double decayed = std::exp(delta * l.a.at(static_cast<int>(n), channel)) * h;
            h = static_cast<float>(decayed + delta * inner.x[c] * dt_b_c[rank + n]);
            y[c] += h * dt_b_c[rank + d_state + n];
        }
        y[c] = rounded(y[c] * silu(inner.z[c]));
    }
    return y;
}
