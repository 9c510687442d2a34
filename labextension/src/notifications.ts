import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ILab } from './lab';
import type { IJob } from './specs';
import { CommandIDs, PluginIDs } from './tokens';

export const notificationsPlugin: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.notifications,
  description: 'Tells when a training job ends or restarts.',
  autoStart: true,
  requires: [ILab],
  optional: [ISettingRegistry],
  activate: (app, { jobs, trans }: ILab, registry: ISettingRegistry | null) => {
    let wanted = true;

    const tell = (message: string, job: IJob, type: Notification.TypeOptions): void => {
      if (wanted) {
        Notification.emit(message, type, {
          autoClose: type === 'error' ? false : 8000,
          actions: [
            {
              label: trans.__('Open logs'),
              callback: () => void app.commands.execute(CommandIDs.logs, { id: job.id })
            }
          ]
        });
      }
    };

    jobs.ended.connect((_, job) => {
      switch (job.state) {
        case 'SUCCEEDED':
          return tell(trans.__('%1 succeeded.', job.id), job, 'success');
        case 'CANCELLED':
          return tell(trans.__('%1 was cancelled.', job.id), job, 'info');
        case 'FAILED':
          return tell(trans.__('%1 failed: %2', job.id, job.reason), job, 'error');
        default:
          return tell(trans.__('%1 was lost: %2', job.id, job.reason), job, 'error');
      }
    });
    jobs.restarted.connect((_, job) => {
      tell(trans.__('%1 is being restarted: %2', job.id, job.reason), job, 'warning');
    });

    const apply = (settings: ISettingRegistry.ISettings): void => {
      wanted = settings.get('notifications').composite !== false;
      jobs.background = wanted;
    };
    void app.restored.then(async () => {
      const settings = await registry?.load(PluginIDs.sidebar);
      if (settings === undefined) {
        jobs.background = wanted;
        return;
      }
      apply(settings);
      settings.changed.connect(apply);
    });
  }
};
