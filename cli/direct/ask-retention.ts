import { create } from "@bufbuild/protobuf";
import type { CallOptions } from "../../core/grpc/client.ts";
import type { Client } from "../../core/grpc/method-shapes.ts";
import {
  type DecideDeletionsResponse,
  DecideDeletionsResponseSchema,
  type PreviewRetentionResponse,
  PreviewRetentionResponseSchema,
  type RetentionService,
} from "../../proto/gen/dbctl/v1/retention_pb.ts";

export type RetentionClient = Client<typeof RetentionService, CallOptions>;

/** What a controller decides of one repository; of none, which ones there are. */
export async function askDecisions(
  client: RetentionClient,
  repositoryUrl: string,
  { signal }: { signal: AbortSignal },
): Promise<DecideDeletionsResponse> {
  const whole = create(DecideDeletionsResponseSchema);
  for await (const { groups, at, ...part } of client.decideDeletions(
    { repositoryUrl },
    { signal },
  )) {
    whole.groups.push(...groups);
    whole.repositoryUrls.push(...part.repositoryUrls);
    whole.deletedIds.push(...part.deletedIds);
    if (at !== undefined) whole.at = at;
  }
  return whole;
}

interface Question {
  database: string;
  rule: string;
  yaml: string;
}

/** What is kept of the catalog's backups, and why. */
export async function askPreview(
  client: RetentionClient,
  question: Question,
  { signal }: { signal: AbortSignal },
): Promise<PreviewRetentionResponse> {
  const whole = create(PreviewRetentionResponseSchema);
  for await (const { groups, faults, at } of client.previewRetention(question, { signal })) {
    whole.groups.push(...groups);
    whole.faults.push(...faults);
    if (at !== undefined) whole.at = at;
  }
  return whole;
}
