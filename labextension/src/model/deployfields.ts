import type { LabError } from '../errors';
import { SCALE_FIELDS, type ScaleField } from './autoscale';
import { REPLICA_FIELDS, type ReplicaField } from './replica';

/** The fields of the form that an error can belong to. */
export type DeployField =
  'model' | 'version' | 'path' | 'publishAs' | 'name' | 'replicas' | ScaleField | ReplicaField;

/** What the form has to do: publish a file first, or serve what is there. */
export type DeployStep = 'publishing' | 'deploying';

/** The field of the form that an error of the server is about. */
export function fieldOf({ field }: LabError, step: DeployStep | null): DeployField | null {
  if (step === 'publishing') {
    // The name was looked at before it was sent: `model` is what is wrong with the file.
    return field === 'path' || field === 'model' ? 'path' : null;
  }
  const wished = ['model', 'version', 'name', 'replicas'];
  const known: readonly string[] = [...wished, ...SCALE_FIELDS, ...REPLICA_FIELDS];
  const [own, inner] = field.split('.');
  // What is wrong with the whole of it is said where it begins.
  const begins: Record<string, string> = { autoscale: 'max', batch: 'size' };
  const which = own in begins ? (inner ?? begins[own]) : own;
  return known.includes(which) ? (which as DeployField) : null;
}
