// A contender that writes what it is told to do into a file.
import { appendFileSync } from "node:fs";
import { contend } from "../../../bench/compare/contenders/contend.mjs";

contend({
  count: ({ log, name, fails }) => {
    const write = (what) => appendFileSync(log, `${name} ${what}\n`);
    write("prepare");
    return {
      facts: { pid: process.pid },
      run: ({ variant = "" }) => {
        write(`run${variant}`);
        if (fails) throw new Error("first line\nno more of this");
        // Not an answer: programs print what they like.
        console.log("noise");
        return [[1, 2, name === "B" ? 3 : 4]];
      },
      output: (rows) => rows,
    };
  },
  parts: ({ log, name }) => ({
    run: () => {
      appendFileSync(log, `${name} ${process.pid}\n`);
      return { parts: { load: process.pid } };
    },
  }),
  end: () => process.exit(3),
});
