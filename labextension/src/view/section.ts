import { ReactWidget } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import type { Live } from '../model/live';

/** Milliseconds between two drawings of what does not change: times that are told as an age grow. */
const AGING = 10_000;

/** Draws models. While it is hidden it neither watches them nor draws. */
export class Section extends ReactWidget {
  /**
   * @param _models What is watched while this is visible.
   * @param _body What is drawn after each change.
   * @param _look How a model is looked at while this is visible.
   */
  constructor(
    private readonly _models: readonly Live[],
    private readonly _body: () => React.JSX.Element,
    private readonly _look: (model: Live) => IDisposable = model => model.watch()
  ) {
    super();
    this.addClass('jp-dllab-Section');
    for (const model of _models) {
      model.changed.connect(this._onChanged, this);
    }
  }

  override dispose(): void {
    this._unwatch();
    for (const model of this._models) {
      model.changed.disconnect(this._onChanged, this);
    }
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    return this._body();
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    if (this.isVisible) {
      this._watch();
    }
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._watch();
    this.update();
  }

  protected override onBeforeHide(msg: Message): void {
    this._unwatch();
    super.onBeforeHide(msg);
  }

  protected override onBeforeDetach(msg: Message): void {
    this._unwatch();
    super.onBeforeDetach(msg);
  }

  private _onChanged(): void {
    if (this.isVisible) {
      this.update();
    }
  }

  private _watch(): void {
    if (this._watching.length === 0 && this._models.length > 0) {
      this._watching = this._models.map(this._look);
      this._aging = setInterval(() => document.hidden || this.update(), AGING);
    }
  }

  private _unwatch(): void {
    this._watching.forEach(watching => watching.dispose());
    this._watching = [];
    clearInterval(this._aging);
  }

  private _watching: IDisposable[] = [];
  private _aging: ReturnType<typeof setInterval> | undefined;
}
