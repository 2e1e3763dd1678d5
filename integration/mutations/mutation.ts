/** A deliberate defect, and the tests that must find it. */
export interface Mutation {
  /** What is wrong now, as a sentence without its end. */
  defect: string;
  file: string;
  /** Stands in the file exactly once. */
  from: string;
  to: string;
  /** At least one of them has to fail. */
  tests: readonly string[];
}
