/** The values of the REST interface about alerts, as `dllab_hub/specs` has them. */

export type Severity = 'critical' | 'warning' | 'info';

/** What was done about an alert by itself. */
export interface IAct {
  time: number;
  action: string;
  outcome: 'done' | 'failed';
  message: string;
}

/** Something that is wrong, or was a moment ago. Times are seconds since the epoch. */
export interface IAlert {
  /** The same for the same rule and subject. */
  id: string;
  /** Name of the rule, such as `GPUTemperatureHigh`. */
  rule: string;
  severity: Severity;
  state: 'pending' | 'firing' | 'resolved';
  kind: 'gpu' | 'job' | 'deployment' | 'service';
  /** UUID, job id or name of the deployment. */
  subject: string;
  /** The same for people. */
  name: string;
  owner: string;
  message: string;
  hint: string;
  value: number | null;
  since: number;
  fired: number | null;
  resolved: number | null;
  /** Until when nobody is told of it. */
  silenced: number | null;
  act: IAct | null;
}

export interface IAlertList {
  alerts: IAlert[];
}

/** Whether nobody is to be told of it at `now`. */
export function isSilenced({ silenced }: IAlert, now: number): boolean {
  return silenced !== null && silenced > now;
}
