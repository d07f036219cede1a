/** The server answers a list bare or under its name. */
export function listIn<Row>(answer: Row[] | Record<string, unknown>, name: string): Row[] {
  if (Array.isArray(answer)) return answer;
  const list = answer[name];
  return Array.isArray(list) ? (list as Row[]) : [];
}
