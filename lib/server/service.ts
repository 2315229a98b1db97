import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { ServiceOptions } from "./options.js";

/** What the routes share. */
export interface Service {
  options: ServiceOptions;
}

/** A Fastify instance whose schemas type the code. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** Adds a group of routes. */
export type Routes = (app: App, service: Service) => void;
