/**
 * The four functions of the withdrawn "Reflect metadata" proposal that tsyringe, which
 * @peculiar/x509 is built on, asks for and does not bring. Import this before that package.
 */
type Metadata = Map<unknown, unknown>;

const metadata = new WeakMap<object, Map<string | symbol | undefined, Metadata>>();

interface Found {
  key: unknown;
  property: string | symbol | undefined;
}

function ownMetadata(target: object, { property }: Found): Metadata {
  const ofTarget = metadata.get(target) ?? new Map<string | symbol | undefined, Metadata>();
  metadata.set(target, ofTarget);
  const ofProperty: Metadata = ofTarget.get(property) ?? new Map<unknown, unknown>();
  ofTarget.set(property, ofProperty);
  return ofProperty;
}

function inherited(target: object, found: Found): unknown {
  for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at) as object | null)
    if (ownMetadata(at, found).has(found.key)) return ownMetadata(at, found).get(found.key);
  return undefined;
}

const functions = {
  // oxlint-disable-next-line max-params -- the proposal's own signature
  defineMetadata(key: unknown, value: unknown, target: object, property?: string | symbol): void {
    ownMetadata(target, { key, property }).set(key, value);
  },
  getMetadata: (key: unknown, target: object, property?: string | symbol) =>
    inherited(target, { key, property }),
  getOwnMetadata: (key: unknown, target: object, property?: string | symbol) =>
    ownMetadata(target, { key, property }).get(key),
  hasOwnMetadata: (key: unknown, target: object, property?: string | symbol) =>
    ownMetadata(target, { key, property }).has(key),
};

if (!("getMetadata" in Reflect)) Object.assign(Reflect, functions);
