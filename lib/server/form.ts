import type { TSchema } from "@fastify/type-provider-typebox";
import type { FastifyRequest, preValidationAsyncHookHandler } from "fastify";
import Value from "typebox/value";
import { asServiceError, ServiceError } from "./errors.js";
import type { Limits } from "./options.js";

/**
 * Reads a multipart body: every file is a picture, whatever its field is called, and every other field is a property of
 * the body that JSON would have. The pictures' bytes go to `request.pictures`; names stand in their place in the body,
 * so that one schema counts both.
 */
export function readForm(schema: TSchema, limits: Limits): preValidationAsyncHookHandler {
  return async (request) => {
    if (!request.isMultipart()) return;
    const { files, fields } = await collect(request, limits);
    if ("images" in fields) {
      throw new ServiceError(
        422,
        "ERR_INVALID_ARGUMENT",
        'The form\'s field "images" has no file name, and so no picture.',
      );
    }
    request.pictures = files.map(({ bytes }) => bytes);
    // Fields are text: numbers, truth values and lists of one are made of them where the schema wants them.
    request.body = Value.Convert(schema, { ...fields, images: files.map(({ name }) => name) });
  };
}

interface Form {
  files: { name: string; bytes: Buffer }[];
  fields: Record<string, unknown>;
}

async function collect(request: FastifyRequest, { imageBytes, bodyBytes, images, textLength }: Limits): Promise<Form> {
  const form: Form = { files: [], fields: {} };
  let total = 0;
  const count = (bytes: number) => {
    total += bytes;
    if (total > bodyBytes) throw new ServiceError(413, "ERR_BODY_TOO_LARGE", "The body is too large.");
  };
  try {
    // UTF-16 characters take 4 bytes of UTF-8 at most.
    const parts = request.parts({ limits: { fileSize: imageBytes, files: images, fieldSize: 4 * textLength + 4 } });
    for await (const part of parts) {
      if (part.type === "file") {
        const bytes = await part.toBuffer();
        count(bytes.length);
        form.files.push({ name: part.filename ?? "", bytes });
      } else {
        count(String(part.value).length);
        addField(form.fields, part.fieldname, part.value);
      }
    }
    return form;
  } catch (error) {
    const failure = asServiceError(error);
    if (failure.statusCode < 500) throw failure;
    // The parser's own errors have no code.
    throw new ServiceError(400, "ERR_INVALID_ARGUMENT", "The multipart body is damaged or cut short.", {
      cause: error,
    });
  }
}

/** A field that comes again makes a list. */
function addField(fields: Record<string, unknown>, name: string, value: unknown): void {
  fields[name] = name in fields ? [fields[name], value].flat() : value;
}
