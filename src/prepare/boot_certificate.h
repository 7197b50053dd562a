// The boot certificate of a DR copy: "would boot", or why not, decided by looking at every part that has to
// be right while there is time to mend it. A guest that would run where nobody can reach it "would not boot":
// for who needs it, it would not be there.
#pragma once

#include <string>

#include "guest/conversion.h"
#include "model/dr_plan.h"

namespace rekindle {

// Of a guest that was converted; `readiness` is that of the result. Not signed, of no recovery point yet.
BootCertificate certify(const Readiness& readiness, Firmware firmware);

// Of a guest that could not be converted.
BootCertificate certify_failure(const Error& why);

// What the signature is over: every field but itself, always in the same form.
std::string signed_text(const BootCertificate& certificate);

}  // namespace rekindle
