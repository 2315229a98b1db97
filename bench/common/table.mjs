import { markdownTable } from "markdown-table";

/** A table as Markdown, which a terminal shows well too. `rows`: arrays of cells, the head first. */
export function table(rows, align) {
  const cells = rows.map((row) =>
    row.map((cell) =>
      String(cell ?? "")
        .replaceAll("|", "\\|")
        .replaceAll(/\s*\n\s*/g, " "),
    ),
  );
  return markdownTable(cells, { align });
}
