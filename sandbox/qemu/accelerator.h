// Which accelerator QEMU can use here.
#pragma once

#include <string>
#include <vector>

namespace rekindle::sandbox {

// {"-accel", "tcg,thread=multi,tb-size=256", "-cpu", "Nehalem"} or {"-accel", "kvm", "-cpu", "Nehalem"}: the
// words of REKINDLE_QEMU_ACCEL if set, else what sandbox/guests/probe-accel found (KVM only after it really
// booted a kernel), else TCG. Never "kvm:tcg": QEMU aborts where KVM opens and then fails.
std::vector<std::string> accelerator_arguments();

}  // namespace rekindle::sandbox
