import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { LabApi } from './api';
import { LabError } from './errors';
import type { IRestart } from './labview';
import { showLabError } from './view/cancel';

/** Milliseconds between two questions about a restart. */
const PACE = 1000;
/** Milliseconds for one restart; after it the page is loaded again whatever is there. */
const PATIENCE = 300_000;
/** Seconds for which a restart is news. */
const NEWS = 24 * 3600;
/** Which restart the person has been told of, in the browser's storage. */
const TOLD = 'dllab-hub:told-restart';

/** Restarts this lab with other GPUs, and tells what became of it. */
export class Restarter {
  constructor(
    private readonly _api: LabApi,
    private readonly _commands: CommandRegistry,
    private readonly _trans: TranslationBundle
  ) {}

  /**
   * Ask, then restart the lab on the CPU; the page is loaded again when it is back.
   *
   * @param gpus How many the lab has: all are given back.
   * @param name Of the one that it is about; empty for none in particular.
   */
  async release(gpus: number, name = ''): Promise<void> {
    const trans = this._trans;
    const what = trans.__(
      'The lab is restarted on the CPU: kernels and terminals end, all files stay, and what is open is saved first. Jobs go on. Afterwards you can take back what is still free.'
    );
    const all = trans.__('Not only %1 is given back, but all %2 GPUs of this lab.', name, gpus);
    const { button } = await showDialog({
      title:
        name && gpus === 1
          ? trans.__('Release %1 of this lab?', name)
          : trans._n('Release the GPU of this lab?', 'Release the GPUs of this lab?', gpus),
      body: name && gpus > 1 ? `${all} ${what}` : what,
      buttons: [
        Dialog.cancelButton({ label: trans.__('Not now') }),
        Dialog.warnButton({ label: trans._n('Release GPU', 'Release GPUs', gpus) })
      ],
      defaultButton: 0
    });
    if (button.accept) {
      await this._restart(() => this._api.releaseGpus());
    }
  }

  /** Tell of a restart that the person has not been told of yet, and offer to take it back. */
  async tell(): Promise<void> {
    const trans = this._trans;
    const last = await this._api.restarted().catch(() => null); // It is no more than news.
    const isOld = last === null || Date.now() / 1000 - last.time > NEWS;
    if (isOld || !['done', 'undone'].includes(last.state) || this._told(last)) {
      return;
    }
    localStorage.setItem(TOLD, String(last.time));
    const isLess = last.state === 'done' && last.gpus < last.before;
    Notification.emit(last.message, last.state === 'done' ? 'success' : 'warning', {
      autoClose: false,
      actions: isLess
        ? [
            {
              label: trans._n('Take the GPU back', 'Take the GPUs back', last.before),
              callback: () => void this._restart(() => this._api.restartLab(last.before))
            }
          ]
        : []
    });
  }

  private async _restart(ask: () => Promise<IRestart>): Promise<void> {
    const trans = this._trans;
    const said = Notification.emit(trans.__('The lab is being restarted.'), 'in-progress', {
      autoClose: false
    });
    try {
      if (this._commands.hasCommand('docmanager:save-all')) {
        await this._commands.execute('docmanager:save-all');
      }
      await ask();
    } catch (reason) {
      Notification.dismiss(said);
      await showLabError(trans.__('The lab is not restarted'), reason, trans);
      return;
    }
    const end = Date.now() + PATIENCE;
    while (Date.now() < end && !(await this._isBack())) {
      await new Promise(resolve => setTimeout(resolve, PACE));
    }
    window.location.reload();
  }

  /** Whether the lab answers and says that its restart is over. */
  private async _isBack(): Promise<boolean> {
    try {
      return (await this._api.restarted()).state !== 'restarting';
    } catch (reason) {
      // While it is away the hub answers in its place, with pages of its own.
      return LabError.from(reason).code === 'access_denied';
    }
  }

  private _told(last: IRestart): boolean {
    return localStorage.getItem(TOLD) === String(last.time);
  }
}
