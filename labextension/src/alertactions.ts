import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { shortName } from './gputext';
import type { GpusModel } from './model/gpus';
import { CommandIDs } from './tokens';
import type { AlertActions, IAlertAction } from './view/alerts';

/** What an alert offers: a look at what it is about, and to give back GPUs that do nothing. */
export function alertActions(
  commands: CommandRegistry,
  gpus: GpusModel,
  trans: TranslationBundle
): AlertActions {
  return ({ rule, kind, subject, owner }) => {
    const { lab, report, user } = gpus;
    const isOwn = user !== '' && owner === user; // Other people's things cannot be opened here.
    const found: IAlertAction[] = [];
    if (kind === 'job' && isOwn) {
      const execute = () => void commands.execute(CommandIDs.logs, { id: subject });
      found.push({ label: trans.__('Open logs'), execute });
    } else if (kind === 'deployment' && isOwn) {
      const execute = () => void commands.execute(CommandIDs.openDeployment, { name: subject });
      found.push({ label: trans.__('Open'), execute });
    }
    const gpu = report?.gpus.find(({ uuid }) => uuid === subject);
    const holder = gpu?.holder;
    // Only this lab can be restarted from here: whoever has the GPU has to be known.
    const isHere = holder?.kind === 'lab' && holder.id === lab && lab !== '' && !holder.lent_to;
    if (
      rule === 'GPUIdleHeld' &&
      gpu !== undefined &&
      isHere &&
      commands.hasCommand(CommandIDs.release) &&
      commands.isVisible(CommandIDs.release)
    ) {
      const name = shortName(gpu, trans);
      const execute = () => void commands.execute(CommandIDs.release, { gpu: name });
      found.unshift({ label: trans.__('Release GPUs'), execute });
    }
    return found;
  };
}
