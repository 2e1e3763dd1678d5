import type { RightsRequest } from "./role.ts";

interface Binding {
  /** A role of Google's, or a custom one of these permissions. */
  role: string;
  permissions: string[];
  members: string[];
  condition?: { title: string; expression: string };
}

/**
 * Bindings of the bucket's IAM policy. Who may create but not delete can write over nothing: that
 * would need `storage.objects.delete`.
 */
export function gcsBindings({ role, bucket, prefix, instance }: RightsRequest): Binding[] {
  const root = `projects/_/buckets/${bucket}/objects/${prefix}`;
  const below = (folder: string) => `resource.name.startsWith("${root}${folder}")`;
  const own = instance === "*" ? below("") : below(`${instance}/`);
  const metadata = [
    `resource.name == "${root}repository.json"`,
    below("~control/"),
    `(${below("")} && resource.name.endsWith("/manifest"))`,
  ];
  const create = ["storage.objects.create", "storage.multipartUploads.create"];
  const read = ["storage.objects.get"];
  const list = binding("dbctlList", ["storage.objects.list", "storage.buckets.get"]);
  switch (role) {
    case "host":
      return [binding("dbctlCreate", create, own)];
    case "restorer":
      return [list, binding("dbctlRead", read, below(""))];
    case "pruner":
      return [
        list,
        binding("dbctlRead", read, below("")),
        binding("dbctlCreate", create, below("~control/")),
        binding("dbctlRemove", ["storage.objects.delete"], below("")),
      ];
    case "controller":
      return [
        list,
        binding("dbctlRead", read, metadata.join(" || ")),
        binding("dbctlLock", ["storage.objects.setRetention", "storage.objects.update"], below("")),
      ];
  }
}

function binding(name: string, permissions: string[], expression?: string): Binding {
  return {
    role: `projects/PROJECT/roles/${name}`,
    permissions,
    members: ["serviceAccount:NAME@PROJECT.iam.gserviceaccount.com"],
    ...(expression === undefined ? {} : { condition: { title: name, expression } }),
  };
}
