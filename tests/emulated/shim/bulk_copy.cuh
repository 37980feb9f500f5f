#pragma once
#include "emu_copies.cuh"
