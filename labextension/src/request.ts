import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { LabError } from './errors';
import type { Address, IRequest, Send } from './tokens';

/** A function that sends requests to the server of `settings`. */
export function sender(settings: ServerConnection.ISettings, trans: TranslationBundle): Send {
  /** Whether the server has answered in this page's life: then it has our part. */
  let heard = false;
  return async <T>(path: string, request: IRequest = {}): Promise<T> => {
    const { method = 'GET', query = {}, body: sent, as } = request;
    const url = URLExt.join(settings.baseUrl, 'dllab/api', path) + tail(query);

    const init: RequestInit = { method };
    if (sent !== undefined) {
      init.body = typeof sent === 'string' ? sent : JSON.stringify(sent);
      init.headers = { 'Content-Type': 'application/json' };
    }

    let response: Response;
    let text: string;
    try {
      response = await ServerConnection.makeRequest(url, init, settings);
      text = await response.text();
    } catch {
      throw new LabError(
        trans.__('The Jupyter server does not answer.'),
        trans.__('Check that it still runs and that you are connected.'),
        'unreachable'
      );
    }
    if (as === 'text' && response.ok && !response.redirected) {
      return text as T;
    }
    const body = parse(text);
    if (response.ok && body !== undefined) {
      heard = true;
      return body as T;
    }
    throw LabError.fromWire(response.status, body) ?? foreign(response, heard, trans);
  };
}

/** A function that says where something of the server of `settings` is, for a link. */
export function addresser(settings: ServerConnection.ISettings): Address {
  return (path, query = {}) => {
    // Where the browser has no cookie of the server, a link must say who follows it.
    const token = settings.appendToken && settings.token ? settings.token : null;
    return URLExt.join(settings.baseUrl, 'dllab/api', path) + tail({ ...query, token });
  };
}

function tail(query: Record<string, string | number | null>): string {
  const known = Object.entries(query).filter(([, value]) => value !== null);
  return known.length
    ? `?${new URLSearchParams(known.map(([key, value]) => [key, String(value)]))}`
    : '';
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An answer that dllab-hub did not write: a proxy's, a login page, a server without our extension. */
function foreign(response: Response, heard: boolean, trans: TranslationBundle): LabError {
  const { status, redirected, ok } = response;
  if (status === 401 || status === 403 || (ok && redirected)) {
    return new LabError(
      trans.__('You are signed out.'),
      trans.__('Reload this page to sign in again.'),
      'access_denied',
      status
    );
  }
  if (heard && [404, 424, 502, 503, 504].includes(status)) {
    // The hub or its proxy answers in place of a server that it does not reach.
    return new LabError(
      trans.__('Your lab does not answer.'),
      trans.__('The lab or its hub may be starting again. What runs goes on meanwhile.'),
      'unreachable',
      status
    );
  }
  if (status === 404) {
    return new LabError(
      trans.__('This Jupyter server does not have the server part of dllab-hub.'),
      trans.__('Install dllab-hub[lab] where Jupyter runs and start Jupyter again.'),
      'internal',
      status
    );
  }
  return new LabError(
    trans.__('The server answered with status %1.', status),
    trans.__('Its log may say more.'),
    'internal',
    status
  );
}
