/** What a machine has not got; the suite skips with it as its reason. */
export class Missing extends Error {}
