import { type RpcServer, addService } from "../core/grpc/server.ts";
import { AgentLinkService, EnrolmentService } from "../proto/gen/dbctl/v1/agent_link_pb.ts";
import { AgentsService } from "../proto/gen/dbctl/v1/agents_pb.ts";
import { AlertsService } from "../proto/gen/dbctl/v1/alerts_pb.ts";
import { BackupsService } from "../proto/gen/dbctl/v1/backups_pb.ts";
import { DatabasesService } from "../proto/gen/dbctl/v1/databases_pb.ts";
import { JobsService } from "../proto/gen/dbctl/v1/jobs_pb.ts";
import { PoliciesService } from "../proto/gen/dbctl/v1/policies_pb.ts";
import { RetentionService } from "../proto/gen/dbctl/v1/retention_pb.ts";
import { UsersService } from "../proto/gen/dbctl/v1/users_pb.ts";
import { createAgentsService } from "./api/agents-service.ts";
import { createAlertsService } from "./api/alerts-service.ts";
import { createBackupsService } from "./api/backups-service.ts";
import { createDatabasesService } from "./api/databases-service.ts";
import { createEnrolmentService } from "./api/enrolment-service.ts";
import { createJobsService } from "./api/jobs-service.ts";
import { createLinkService } from "./api/link-service.ts";
import { createPoliciesService } from "./api/policies-service.ts";
import { createRetentionService } from "./api/retention-service.ts";
import { createUsersService } from "./api/users-service.ts";
import type { TrustParts } from "./trust/enrol-agent.ts";

/** All that a controller answers. Who may call what stands in `trust/permissions.ts`. */
export function addServices(
  server: RpcServer,
  parts: TrustParts & { address: string; leaseMs: number | undefined },
): void {
  addService(server, EnrolmentService, createEnrolmentService(parts));
  addService(server, AgentsService, createAgentsService({ ...parts, calls: server.calls }));
  addService(server, UsersService, createUsersService({ ...parts, calls: server.calls }));
  addService(server, AgentLinkService, createLinkService(parts));
  addService(server, JobsService, createJobsService(parts));
  addService(server, DatabasesService, createDatabasesService(parts));
  addService(server, BackupsService, createBackupsService(parts));
  addService(server, PoliciesService, createPoliciesService(parts));
  addService(server, RetentionService, createRetentionService(parts));
  addService(server, AlertsService, createAlertsService(parts));
}
