// One call of a worker's REST API, as tests need it.

export interface RestAnswer {
  readonly status: number;
  /** Parsed when it is JSON, else the text. */
  readonly body: unknown;
}

/** What has Connect's REST API: Millrace or a real worker. */
export interface RestSubject {
  request(method: string, pathname: string, body?: unknown): Promise<RestAnswer>;
}

/** A call of the API at `base`, `http://HOST:PORT`. */
export async function restRequest(
  base: string,
  method: string,
  pathname: string,
  body?: unknown,
): Promise<RestAnswer> {
  const response = await fetch(base + pathname, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await response.text();
  let parsed: unknown = text;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = text; // not JSON: the text itself
  }
  return { status: response.status, body: parsed };
}
