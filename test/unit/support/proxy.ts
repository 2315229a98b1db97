import { createServer, type IncomingHttpHeaders } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { TestContext } from "vitest";

/** A request that a proxy got. */
export interface ProxyRequest {
  /** "host:port" for a tunnel, a URL for a page. */
  target: string;
  headers: IncomingHttpHeaders;
}

/** A proxy on this machine, until the test ends. */
export interface Proxy {
  /** "127.0.0.1:port". */
  host: string;
  requests: ProxyRequest[];
}

/**
 * Starts a proxy that opens tunnels (CONNECT) to a port of this machine, whatever name they are for: so names that lead
 * nowhere work only through it. With `status` it refuses.
 */
export async function startProxy(t: TestContext, port: number, status = 200): Promise<Proxy> {
  const requests: ProxyRequest[] = [];
  const server = createServer();
  server.on("connect", ({ url = "", headers }, client) => {
    requests.push({ target: url, headers });
    client.on("error", () => {});
    if (status !== 200) {
      client.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const upstream = connect(port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on("error", () => client.destroy());
    t.onTestFinished(() => void upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}
