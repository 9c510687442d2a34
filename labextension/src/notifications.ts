import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { DisposableSet, type IDisposable } from '@lumino/disposable';
import { alertActions } from './alertactions';
import { tellAlerts } from './alertnews';
import { tellDeployments } from './deploynews';
import { ILab } from './lab';
import type { IJob } from './specs';
import { CommandIDs, PluginIDs } from './tokens';

export const notificationsPlugin: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.notifications,
  description:
    'Tells when a training job ends or restarts, when a model is served or no longer is, and of alerts.',
  autoStart: true,
  requires: [ILab],
  optional: [ISettingRegistry],
  activate: (app, lab: ILab, registry: ISettingRegistry | null) => {
    const { alerts, deployments, gpus, jobs, trans, user } = lab;
    let following: IDisposable | null = null;

    const tell = (
      message: string,
      type: Notification.TypeOptions,
      label: string,
      open: () => unknown
    ): void => {
      if (following !== null) {
        Notification.emit(message, type, {
          autoClose: type === 'error' ? false : 8000,
          actions: [{ label, callback: () => void open() }]
        });
      }
    };
    const tellJob = (message: string, { id }: IJob, type: Notification.TypeOptions): void =>
      tell(message, type, trans.__('Open logs'), () =>
        app.commands.execute(CommandIDs.logs, { id })
      );

    jobs.ended.connect((_, job) => {
      switch (job.state) {
        case 'SUCCEEDED':
          return tellJob(trans.__('%1 succeeded.', job.id), job, 'success');
        case 'CANCELLED':
          return tellJob(trans.__('%1 was cancelled.', job.id), job, 'info');
        case 'FAILED':
          return tellJob(
            trans.__('%1 failed: %2', job.id, job.diagnosis?.message || job.reason),
            job,
            'error'
          );
        default:
          return tellJob(trans.__('%1 was lost: %2', job.id, job.reason), job, 'error');
      }
    });
    jobs.stalled.connect((_, job) => {
      const why = job.diagnosis?.message ?? trans.__('nothing is heard of it any more.');
      tellJob(trans.__('%1 has stalled: %2', job.id, why), job, 'warning');
    });
    jobs.paused.connect((_, job) => {
      tellJob(trans.__('%1 is paused: %2', job.id, job.reason), job, 'info');
    });
    jobs.restarted.connect((_, job) => {
      tellJob(trans.__('%1 is being restarted: %2', job.id, job.reason), job, 'warning');
    });

    tellDeployments(
      deployments,
      () => following !== null,
      name => void app.commands.execute(CommandIDs.openDeployment, { name }),
      trans
    );

    const { baseUrl } = app.serviceManager.serverSettings;
    const show = () =>
      void app.commands.execute(CommandIDs.open).then(() => {
        document.querySelector('.jp-dllab-Alerts')?.scrollIntoView();
      });
    const actions = alertActions(app.commands, gpus, trans);
    // An alert is told once: not before it is known whose it is.
    void user.then(name =>
      tellAlerts(alerts, name, baseUrl, () => following !== null, actions, show, trans)
    );

    void app.restored.then(async () => {
      const settings = await registry?.load(PluginIDs.sidebar);
      const apply = () => {
        const wanted = settings?.get('notifications').composite !== false;
        if (wanted && following === null) {
          following = DisposableSet.from([jobs.follow(), deployments.follow(), alerts.follow()]);
        } else if (!wanted) {
          following?.dispose();
          following = null;
        }
      };
      apply();
      settings?.changed.connect(apply);
    });
  }
};
