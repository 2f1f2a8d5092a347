/** A UUID with capital letters. */
const IN_CAPITALS = /^(?=.*[A-F])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$/;

/**
 * A person's id as flags store and compare it: a UUID in lower case, any other id unchanged, because case may
 * be significant. The only definition in TypeScript of when two ids mean the same person;
 * `private.subject_id` in SQL agrees.
 */
export function subjectId(id: string): string {
  return id.length === 36 && IN_CAPITALS.test(id) ? id.toLowerCase() : id;
}
