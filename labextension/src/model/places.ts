import type { LabApi } from '../api';
import type { ICapacity, ICatalog, IImage, ITarget, IVolume } from '../specs';

/** Where a job may run, and what can be picked for where it will. */
export class Places {
  /** @param name Of the place that is meant; empty for the usual one. */
  constructor(
    private readonly _catalog: ICatalog | null,
    name: string
  ) {
    this.all = _catalog?.targets ?? [];
    this.meant = this.all.find(place => place.name === name) ?? this.all[0] ?? null;
  }

  /** The usual one first; empty where nobody is asked. */
  readonly all: readonly ITarget[];

  /** Where it will run; null where there is one place only, or nobody knows yet. */
  readonly meant: ITarget | null;

  /** Images of which a job can run there. */
  get images(): readonly IImage[] {
    const { images = [] } = this._catalog ?? {};
    return this.meant === null
      ? images
      : images.filter(({ container, state }) =>
          this._isCluster ? Boolean(container) : state !== 'missing'
        );
  }

  /** Volumes that are anything there. */
  get volumes(): readonly IVolume[] {
    const { volumes = [] } = this._catalog ?? {};
    return this.meant === null
      ? volumes
      : volumes.filter(({ path, url }) => Boolean(url) || Boolean(path) !== this._isCluster);
  }

  /** The image that is chosen if it can run there, else the lab's, else one that can. */
  image(chosen: string, ours: string): string {
    const { default_image: usual = '' } = this._catalog ?? {};
    const fits = (name: string) => this.images.some(image => image.name === name);
    if (chosen && (this.meant === null || fits(chosen))) {
      return chosen;
    }
    return [ours, usual].find(fits) ?? this.images[0]?.name ?? usual;
  }

  /** The lab whose packages are wanted: what was installed in it does not travel to a cluster. */
  lab(id: string | undefined, isNew: boolean): { lab?: string | null } {
    if (this._isCluster) {
      return { lab: null };
    }
    // A job that is run again keeps the lab that it had.
    return isNew && id ? { lab: id } : {};
  }

  private get _isCluster(): boolean {
    return this.meant?.kind === 'cluster';
  }
}

/** What a request for so many GPUs would meet; null at a place that cannot be asked now. */
export async function outlook(
  api: Pick<LabApi, 'capacity'>,
  gpus: number | null,
  target: string
): Promise<ICapacity['forecast']> {
  try {
    return gpus === null ? null : (await api.capacity(gpus, target || null)).forecast;
  } catch (reason) {
    if (target === '') {
      throw reason;
    }
    return null; // The price of the wish says why.
  }
}
