/** The front end of dllab-hub: the plugins that JupyterLab loads. */
import { deploymentsPlugin } from './deployments';
import { endpointsPlugin } from './endpoints';
import { idlePlugin } from './idle';
import { jobsPlugin } from './jobs';
import { labPlugin } from './lab';
import { launcherPlugin } from './launcher';
import { notificationsPlugin } from './notifications';
import { cellsPlugin } from './cells';
import { historyPlugin } from './runs';
import { sidebarPlugin } from './sidebar';
import { statusPlugin } from './status';
import { trainingPlugin } from './training';

export { ILab } from './lab';

export default [
  labPlugin,
  sidebarPlugin,
  jobsPlugin,
  trainingPlugin,
  historyPlugin,
  cellsPlugin,
  deploymentsPlugin,
  endpointsPlugin,
  notificationsPlugin,
  statusPlugin,
  launcherPlugin,
  idlePlugin
];
