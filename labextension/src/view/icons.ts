import { LabIcon } from '@jupyterlab/ui-components';

/** A chip with its pins and a rising curve: the lab. */
export const labIcon = new LabIcon({
  name: 'dllab-hub:lab',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <path d="M7 4h10a3 3 0 0 1 3 3v10a3 3 0 0 1-3 3H7a3 3 0 0 1-3-3V7a3 3 0 0 1 3-3zm0 2a1 1 0 0 0-1 1v10a1 1 0 0 0 1 1h10a1 1 0 0 0 1-1V7a1 1 0 0 0-1-1z"/>
    <path d="M8 1h2v3H8zM14 1h2v3h-2zM8 20h2v3H8zM14 20h2v3h-2zM1 8h3v2H1zM1 14h3v2H1zM20 8h3v2h-3zM20 14h3v2h-3z"/>
    <path d="M8.7 16.3l-1.4-1.4 3.2-3.2 2 2 3.1-4.6 1.7 1.1-4.5 6.6-2.3-2.3z"/>
  </g>
</svg>`
});

/** A rising curve that starts: a new training. */
export const trainIcon = new LabIcon({
  name: 'dllab-hub:train',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <path d="M3 3h2v16h16v2H3z"/>
    <path d="M7.7 17.3l-1.4-1.4 4.2-5 3.5 2.6 4.3-6.2 1.7 1.1-5.6 8-3.6-2.7z"/>
    <path d="M9 3l5 3-5 3z"/>
  </g>
</svg>`
});

/** A box with an arrow that leaves it: a model that is served. */
export const deployIcon = new LabIcon({
  name: 'dllab-hub:deploy',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <path d="M5 10h4v2H6v8h12v-8h-3v-2h4a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V11a1 1 0 0 1 1-1z"/>
    <path d="M11 17V5.8L8.4 8.4 7 7l5-5 5 5-1.4 1.4L13 5.8V17z"/>
  </g>
</svg>`
});

/** Curves on a board: TensorBoard. */
export const boardIcon = new LabIcon({
  name: 'dllab-hub:board',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <path d="M4 3h16a2 2 0 0 1 2 2v11a2 2 0 0 1-2 2h-7v2h3v2H8v-2h3v-2H4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm0 2v11h16V5z"/>
    <path d="M6.8 8l1.9-.7c.9 2.6 2.4 4 4.7 4.6 1.1.3 2.3.4 3.8.4v2c-1.7 0-3.1-.1-4.3-.5C9.9 13 7.9 11 6.8 8z"/>
  </g>
</svg>`
});

/** A clock with an arrow back around it: all runs. */
export const historyIcon = new LabIcon({
  name: 'dllab-hub:history',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <path d="M13 3a9 9 0 0 1 0 18 9 9 0 0 1-6.4-2.6L8 17a7 7 0 1 0-2-5h3l-4 4-4-4h3a9 9 0 0 1 9-9z"/>
    <path d="M12 8h1.6v4.3l3.4 2-.8 1.3L12 13.2z"/>
  </g>
</svg>`
});
