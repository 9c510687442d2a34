import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { IdleModel, rest } from './model/idle';
import { ILab } from './lab';
import { Restarter } from './restart';
import { CommandIDs, PluginIDs } from './tokens';
import { showLabError } from './view/cancel';

/** Milliseconds between two words on how much time is left. */
const TICK = 1000;
/** What only a person does. */
const SIGNS = ['pointerdown', 'keydown', 'wheel'] as const;

export const idlePlugin: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.idle,
  description: 'Tells before a lab that nobody uses is stopped, and gives its GPUs back.',
  autoStart: true,
  requires: [ILab],
  optional: [ICommandPalette],
  activate: (app, { api, trans }: ILab, palette: ICommandPalette | null) => {
    const { commands } = app;
    const model = new IdleModel(api);
    const restarter = new Restarter(api, commands, trans);
    const failed = (title: string) => (reason: unknown) => void showLabError(title, reason, trans);
    const keep = () => {
      model.keep(true).catch(failed(trans.__('The lab could not be kept')));
    };

    commands.addCommand(CommandIDs.keep, {
      label: trans.__('Keep This Lab'),
      caption: trans.__('Start its idle time from the beginning'),
      describedBy: { args: { type: 'object', properties: {} } },
      isVisible: () => model.left !== null,
      execute: keep
    });
    commands.addCommand(CommandIDs.release, {
      label: trans.__('Release GPUs…'),
      caption: trans.__('Restart this lab on the CPU, with the same files'),
      describedBy: {
        args: {
          type: 'object',
          properties: {
            gpu: { type: 'string', description: trans.__('Name of the GPU that it is about') }
          }
        }
      },
      isVisible: () => (model.idle?.gpus ?? 0) > 0,
      execute: ({ gpu }) =>
        restarter.release(model.idle?.gpus ?? 0, typeof gpu === 'string' ? gpu : '')
    });
    for (const command of [CommandIDs.keep, CommandIDs.release]) {
      palette?.addItem({ command, category: trans.__('DL Lab') });
    }

    let warning: string | null = null;
    let timer: ReturnType<typeof setInterval> | undefined;
    const unsay = () => {
      clearInterval(timer);
      if (warning !== null && Notification.manager.has(warning)) {
        Notification.dismiss(warning);
      }
      warning = null;
    };
    const words = (left: number): string => {
      const { minutes, seconds } = rest(left);
      if (left <= 0) {
        return trans.__('Nobody has used this lab for a long time: it is being stopped.');
      }
      return minutes > 0
        ? trans._n(
            'Nobody uses this lab: it is stopped in %1 minute.',
            'Nobody uses this lab: it is stopped in %1 minutes.',
            minutes
          )
        : trans._n(
            'Nobody uses this lab: it is stopped in %1 second.',
            'Nobody uses this lab: it is stopped in %1 seconds.',
            seconds
          );
    };
    const warn = () => {
      const { left } = model;
      if (left === null || !model.isNear) {
        unsay();
        return;
      }
      const message = words(left);
      if (warning !== null) {
        if (Notification.manager.has(warning)) {
          Notification.update({ id: warning, message });
        }
        return;
      }
      const gpus = model.idle?.gpus ?? 0;
      warning = Notification.emit(message, 'warning', {
        autoClose: false,
        actions: [
          { label: trans.__('Keep'), callback: keep, displayType: 'accent' },
          ...(gpus > 0
            ? [
                {
                  label: trans._n('Release GPU', 'Release GPUs', gpus),
                  callback: () => void restarter.release(gpus)
                }
              ]
            : [])
        ]
      });
      clearInterval(timer);
      timer = setInterval(warn, TICK);
    };
    model.changed.connect(warn);
    model.changed.connect(() => {
      commands.notifyCommandChanged(CommandIDs.release);
      commands.notifyCommandChanged(CommandIDs.keep);
    });

    let told = false;
    model.changed.connect(() => {
      if (model.idle !== null && !told) {
        told = true; // Only a lab of a hub is restarted by somebody.
        void restarter.tell();
        for (const sign of SIGNS) {
          document.addEventListener(
            sign,
            // That the lab cannot be told now is told by the next read.
            () => void model.keep().catch(() => model.refresh()),
            { passive: true, capture: true }
          );
        }
      }
    });
    void app.restored.then(() => model.watch());
  }
};
