/** What a part is told, as its one argument; see record.mjs. */
export const settings = () => JSON.parse(process.argv[2]);

/** Gives one figure to the record. */
export const figure = (values) => process.stdout.write(`${JSON.stringify(values)}\n`);
