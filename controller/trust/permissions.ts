import type { DescMethod } from "@bufbuild/protobuf";
import type { Identity, Role } from "../../core/grpc/peer.ts";

/** Who may call: anybody at all, an agent, or a user with at least this role. */
export type Permission = "anybody" | "agent" | Role;

/** What is not named here is refused to all. */
const permissions: Record<string, Permission> = {
  "EnrolmentService/Enrol": "anybody",
  "EnrolmentService/Renew": "agent",
  "AgentLinkService/Link": "agent",
  "AgentsService/CreateToken": "admin",
  "AgentsService/ListAgents": "viewer",
  "AgentsService/RevokeAgent": "admin",
  "UsersService/AddUser": "admin",
  "UsersService/ListUsers": "admin",
  "UsersService/RevokeUser": "admin",
  "JobsService/EnqueueBackups": "operator",
  "JobsService/EnqueueRestore": "operator",
  "JobsService/EnqueueVerify": "operator",
  "JobsService/CancelJob": "operator",
  "JobsService/ListJobs": "viewer",
  "JobsService/GetJob": "viewer",
  "JobsService/WatchJobs": "viewer",
  "DatabasesService/ListDatabases": "viewer",
  "DatabasesService/GetDatabase": "viewer",
  "BackupsService/ListBackups": "viewer",
  "BackupsService/GetBackup": "viewer",
  "RetentionService/PreviewRetention": "viewer",
  "RetentionService/DecideDeletions": "operator",
  "RetentionService/ReportBackups": "operator",
  "AlertsService/ListAlerts": "viewer",
  "PoliciesService/ApplyPolicies": "admin",
  "PoliciesService/ListPolicies": "viewer",
  "PoliciesService/GetPolicy": "viewer",
  "PoliciesService/ExplainPolicy": "viewer",
};

const roles: readonly Role[] = ["viewer", "operator", "admin"];

export const callName = ({ parent, name }: DescMethod) => `${parent.name}/${name}`;

export const permissionOf = (method: DescMethod): Permission | undefined =>
  permissions[callName(method)];

export function mayCall(identity: Identity, permission: Permission | undefined): boolean {
  if (permission === undefined) return false;
  if (permission === "anybody") return true;
  if (permission === "agent") return identity.kind === "agent";
  if (identity.kind !== "user") return false;
  return roles.indexOf(identity.role) >= roles.indexOf(permission);
}
