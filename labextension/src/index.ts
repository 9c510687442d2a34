/** The front end of dllab-hub: the plugins that JupyterLab loads. */
import { jobsPlugin } from './jobs';
import { labPlugin } from './lab';
import { notificationsPlugin } from './notifications';
import { sidebarPlugin } from './sidebar';

export { ILab } from './lab';

export default [labPlugin, sidebarPlugin, jobsPlugin, notificationsPlugin];
