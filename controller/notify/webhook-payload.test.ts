import assert from "node:assert/strict";
import { test } from "node:test";
import { backupCompleted } from "../database/scratch-fleet.ts";
import { webhookPayload } from "./webhook-payload.ts";

const at = "2026-03-01T10:00:00.000Z";

test("webhookPayload() has every field of version 1.0", () => {
  const payload: unknown = JSON.parse(webhookPayload({ ...backupCompleted("e1"), at }));
  assert.deepEqual(payload, {
    version: "1.0",
    event: {
      type: "backup_completed",
      severity: "success",
      timestamp: at,
      database: "shop",
      message: "Backed up h1/shop",
      details: { backup: "b1", backup_size: 1000, duration_seconds: 1.5, engine: "postgres" },
      error: "",
      duration: 1_500_000_000,
      backup_file: "b1",
      backup_size: 1000,
      hostname: "h1",
      id: "e1",
      duration_seconds: 1.5,
      instance: "main",
      engine: "postgres",
      policy: "",
      job: "",
      recoverable_until: null,
    },
    subject: "[dbctl] SUCCESS backup_completed h1/shop",
    body: "Backed up h1/shop",
    metadata: { source: "dbctl" },
  });
});

test("webhookPayload() names alerts by their kind, and tells their state", () => {
  for (const state of ["open", "resolved"] as const) {
    const alert = { kind: "alert", type: "clock_skew", severity: "warning", state } as const;
    const { event, subject } = JSON.parse(
      webhookPayload({ ...backupCompleted("e1"), ...alert, at }),
    ) as { event: { type: string; details: { state: string } }; subject: string };
    assert.equal(event.type, "alert_clock_skew");
    assert.equal(event.details.state, state);
    assert.equal(subject.endsWith("(resolved)"), state === "resolved");
  }
});
