// Which instruction set multiplies: found at run time, or forced by VQ_NAT_ISA.
#pragma once

#include <string>
#include <vector>

namespace vq {

struct Kernels;  // kernels.h: one table of functions for each instruction set

enum class Isa { portable, avx2, avxvnni, vnni, amx };

const char* name(Isa isa);
// All sets that this machine and its operating system can run, the best one last.
std::vector<Isa> supported();
// The table in use: that of VQ_NAT_ISA, or the best. Throws std::invalid_argument.
const Kernels& kernels();
Isa current();
// Takes another table from now on; an empty name means the best. Not while others run.
void choose(const std::string& isa);

}  // namespace vq
