import type { TSchema } from "@fastify/type-provider-typebox";
import type { FastifyRequest, preValidationAsyncHookHandler } from "fastify";
import Value from "typebox/value";
import { asServiceError, ServiceError } from "./errors.js";
import type { Limits } from "./options.js";

/**
 * Reads a multipart body. Every file is a picture, whatever its field is called; every other field is a property, as in
 * a JSON body. The bytes of the pictures go to `request.pictures`. In the body their names take their place, so that
 * the schema limits their number.
 */
export function readForm(schema: TSchema, limits: Limits): preValidationAsyncHookHandler {
  return async (request) => {
    if (!request.isMultipart()) return;
    const { files, fields } = await collect(request, limits);
    if ("images" in fields) {
      throw new ServiceError(
        422,
        "ERR_INVALID_ARGUMENT",
        'The form\'s field "images" is text without a file name: send pictures as files.',
      );
    }
    request.pictures = files.map(({ bytes }) => bytes);
    // Fields are text: converts them to numbers, booleans and lists where the schema asks for these.
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
    // A character takes at most 4 bytes in UTF-8.
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
    throw new ServiceError(400, "ERR_INVALID_ARGUMENT", "The multipart body is damaged or incomplete.", {
      cause: error,
    });
  }
}

/** A repeated field becomes a list. */
function addField(fields: Record<string, unknown>, name: string, value: unknown): void {
  fields[name] = name in fields ? [fields[name], value].flat() : value;
}
