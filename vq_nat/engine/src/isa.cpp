#include "isa.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>

#include "kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace vq {
namespace {

constexpr Isa kAll[] = {Isa::portable, Isa::avx2, Isa::avxvnni, Isa::vnni, Isa::amx};

#if defined(__x86_64__)

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf, unsigned part) {
  Registers r;
  __get_cpuid_count(leaf, part, &r.a, &r.b, &r.c, &r.d);
  return r;
}

bool bit(std::uint64_t word, int i) { return word >> i & 1; }

// The register states that the operating system saves (XCR0).
std::uint64_t saved_states() {
  if (!bit(cpuid(1, 0).c, 27)) return 0;
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<std::uint64_t>(high) << 32 | low;
}

// Linux gives tiles to processes that ask for them (state 18).
bool tiles_granted() {
  constexpr long kRequest = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

bool machine_has(Isa isa) {
  if (isa == Isa::portable) return true;
  const Registers basic = cpuid(1, 0), more = cpuid(7, 0), newer = cpuid(7, 1);
  const std::uint64_t saved = saved_states();
  const bool avx2 = (saved & 0x6) == 0x6 && bit(more.b, 5) && bit(basic.c, 12);
  const bool avx512 = avx2 && (saved & 0xE6) == 0xE6 && bit(more.b, 16) &&
                      bit(more.b, 17) && bit(more.b, 30) && bit(more.b, 31);
  const bool vnni = avx512 && bit(more.c, 11);
  const bool tiles = bit(more.d, 24) && bit(more.d, 25) && (saved >> 17 & 3) == 3;
  switch (isa) {
    case Isa::avx2: return avx2;
    case Isa::avxvnni: return avx2 && bit(newer.a, 4);
    case Isa::vnni: return vnni;
    default: return vnni && tiles && tiles_granted();
  }
}

const Kernels* table(Isa isa) {
  switch (isa) {
    case Isa::avx2: return &avx2_kernels;
    case Isa::avxvnni: return &avxvnni_kernels;
    case Isa::vnni: return &vnni_kernels;
    case Isa::amx: return &amx_kernels;
    default: return &portable_kernels;
  }
}

#else

bool machine_has(Isa isa) { return isa == Isa::portable; }
const Kernels* table(Isa) { return &portable_kernels; }

#endif

std::string names(const std::vector<Isa>& sets) {
  std::string text;
  for (Isa isa : sets) text += (text.empty() ? "" : ", ") + std::string(name(isa));
  return text;
}

const Kernels* find(const std::string& wanted) {
  const std::vector<Isa> sets = supported();
  if (wanted.empty()) return table(sets.back());
  for (Isa isa : sets)
    if (wanted == name(isa)) return table(isa);
  throw std::invalid_argument("The instruction set (`VQ_NAT_ISA`) must be one that this machine has (" +
                              names(sets) + "), but is " + wanted + " instead.");
}

std::atomic<const Kernels*>& used() {
  static std::atomic<const Kernels*> table = [] {
    const char* wanted = std::getenv("VQ_NAT_ISA");
    return find(wanted ? wanted : "");
  }();
  return table;
}

}  // namespace

const char* name(Isa isa) {
  switch (isa) {
    case Isa::portable: return "portable";
    case Isa::avx2: return "avx2";
    case Isa::avxvnni: return "avxvnni";
    case Isa::vnni: return "vnni";
    case Isa::amx: return "amx";
  }
  return "";
}

std::vector<Isa> supported() {
  std::vector<Isa> sets;
  for (Isa isa : kAll)
    if (machine_has(isa)) sets.push_back(isa);
  return sets;
}

const Kernels& kernels() { return *used().load(std::memory_order_relaxed); }
Isa current() { return kernels().isa; }
void choose(const std::string& isa) { used().store(find(isa)); }

}  // namespace vq
