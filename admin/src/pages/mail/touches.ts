/** First parts of the keys that changes of identities invalidate. */
export const IDENTITY_TOUCHES: string[] = ["list_identities", "destination_health", "status"];
