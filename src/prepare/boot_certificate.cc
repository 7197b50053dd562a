#include "prepare/boot_certificate.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "model/json.h"

namespace rekindle {

namespace {

bool has_storage_driver(const KernelReport& kernel) {
  return kernel.outcome == KernelOutcome::already_converted || kernel.outcome == KernelOutcome::built_in ||
         kernel.outcome == KernelOutcome::drivers_added;
}

std::string kernel_words(const KernelReport& kernel) {
  return fmt::format("{}: {}", kernel.version, to_string(kernel.outcome));
}

CertificateCheck boot_loader(const ConversionReport& report, Firmware firmware) {
  const bool uefi = firmware == Firmware::uefi;
  const bool there = uefi ? report.boots_from_uefi : report.boots_from_bios;
  return {"boot loader", there,
          there  ? fmt::format("for {}", uefi ? "UEFI" : "BIOS")
          : uefi ? "no loader at \\EFI\\BOOT\\BOOTX64.EFI"
                 : "no boot code for BIOS on the disk"};
}

// Which of several kernels the boot loader takes is the guest's choice: one is enough to boot from its menu,
// and of the others the detail tells.
CertificateCheck initrd(const ConversionReport& report) {
  std::vector<std::string> words;
  for (const KernelReport& kernel : report.kernels) words.push_back(kernel_words(kernel));
  return {"storage driver in the initrd",
          std::any_of(report.kernels.begin(), report.kernels.end(), has_storage_driver),
          words.empty() ? "no kernel was found" : fmt::format("{}", fmt::join(words, ", "))};
}

CertificateCheck network_driver(const ConversionReport& report) {
  const bool there = std::any_of(report.kernels.begin(), report.kernels.end(),
                                 [](const KernelReport& kernel) { return kernel.has_nic_driver; });
  return {"network driver", there, there ? "ena" : "no kernel has EC2's network driver (ena)"};
}

// Fails only where it is certain that nobody could reach the guest: what is not known is a warning.
CertificateCheck network_configuration(const ConversionReport& report) {
  return {"network configuration", report.network.verdict != NetworkVerdict::stays_down,
          report.network.sentence};
}

CertificateCheck mounts(const ConversionReport& report) {
  return {"disks found by their names", report.obstacles.empty(),
          report.obstacles.empty() ? "root and fstab" : fmt::format("{}", fmt::join(report.obstacles, "; "))};
}

}  // namespace

BootCertificate certify(const Readiness& readiness, Firmware firmware) {
  if (!readiness.convertible) return certify_failure(error(ErrorCode::internal, "{}", readiness.reason));
  const ConversionReport& report = readiness.report;
  BootCertificate certificate;
  certificate.checks = {{"partition table and root file system", true, report.distribution},
                        boot_loader(report, firmware),
                        initrd(report),
                        network_driver(report),
                        network_configuration(report),
                        mounts(report),
                        {"nothing left to convert", readiness.ready, readiness.reason}};
  if (report.network.verdict == NetworkVerdict::not_known)
    certificate.warnings.push_back("network configuration: " + report.network.sentence);
  certificate.warnings.insert(certificate.warnings.end(), report.warnings.begin(), report.warnings.end());
  certificate.would_boot = true;
  for (const CertificateCheck& check : certificate.checks) {
    if (check.passed || !certificate.would_boot) continue;
    certificate.would_boot = false;
    certificate.reason = fmt::format("{}: {}", check.name, check.detail);
  }
  return certificate;
}

BootCertificate certify_failure(const Error& why) {
  BootCertificate certificate;
  certificate.reason = why.message();
  certificate.checks = {{"conversion", false, why.message()}};
  return certificate;
}

std::string signed_text(const BootCertificate& certificate) {
  nlohmann::json text = certificate;
  text.erase("signature");
  return text.dump();  // keys in alphabetical order, no spaces
}

}  // namespace rekindle
