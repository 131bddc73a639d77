/** Tells whether a value is a whole number of seconds. */
export function isAge(value: string): boolean {
  return /^\d{1,15}$/.test(value);
}
