#include "protect/unrecorded_point.h"

namespace rekindle {

Result<> forget_unrecorded_point(Catalog& catalog, Vaults& vaults, const std::string& vault,
                                 const RecoveryPointId& id) {
  const auto recorded = catalog.get<RecoveryPoint>(id.str());
  if (recorded.ok()) return {};
  if (recorded.error().code() != ErrorCode::not_found) return recorded.error();
  Vault* opened = TRY(vaults.vault(vault));
  const Result<> removed = opened->remove_point(id);
  if (!removed.ok() && removed.error().code() != ErrorCode::not_found) return removed.error();
  return {};
}

}  // namespace rekindle
