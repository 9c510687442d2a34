import { URLExt } from '@jupyterlab/coreutils';
import type { ServerConnection } from '@jupyterlab/services';
import { DisposableDelegate } from '@lumino/disposable';
import type { ISocket, Open } from './tokens';

/** A function that opens WebSockets to the server of `settings`. */
export function opener(settings: ServerConnection.ISettings): Open {
  return (path, listener) => {
    const token = settings.appendToken ? settings.token : '';
    const tail = token ? `?token=${encodeURIComponent(token)}` : '';
    const url = URLExt.join(settings.wsUrl, 'dllab/api', path) + tail;
    const socket = new settings.WebSocket(url);

    const end = () => {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    };
    socket.onopen = () => listener.opened?.();
    socket.onmessage = ({ data }) => {
      let frame: unknown;
      try {
        frame = JSON.parse(String(data));
      } catch {
        // Whoever writes this is not the lab.
        end();
        return listener.closed();
      }
      listener.message(frame);
    };
    // A failure to open ends with this event as well.
    socket.onclose = () => listener.closed();
    return new Socket(end, frame => {
      if (socket.readyState === 1) {
        socket.send(JSON.stringify(frame));
      }
    });
  };
}

class Socket extends DisposableDelegate implements ISocket {
  constructor(
    end: () => void,
    readonly send: (frame: object) => void
  ) {
    super(end);
  }
}
