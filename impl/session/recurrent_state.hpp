// The recurrent state of one sequence: all that a Mamba model remembers.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/backend.hpp"
#include "format/architecture.hpp"
#include "model/block.hpp"

namespace sipo {

class RecurrentState {
public:
    RecurrentState(backend::Stream& stream, const Architecture& arch);
    // What one takes.
    [[nodiscard]] static std::int64_t bytes(const backend::Backend& backend,
                                            const Architecture& arch);

    [[nodiscard]] LayerState layer(std::int64_t index) const;
    void clear(backend::Stream& stream) const;
    void copy_from(backend::Stream& stream, const RecurrentState& other) const;

private:
    struct Buffers {
        backend::BufferPtr conv_state;
        backend::BufferPtr ssm_state;
    };
    std::vector<Buffers> layers_;
};

}  // namespace sipo
