/** Models and deployments for the tests of the front end. */
import type {
  DeploymentState,
  IDeployment,
  IModelVersion,
  ITensor
} from '../../labextension/src/serving';

export function aDeployment(
  name: string,
  state: DeploymentState = 'READY',
  more: Partial<IDeployment> = {}
): IDeployment {
  return {
    name,
    owner: 'ada',
    spec: { name, model: 'digits', version: null, replicas: 2 },
    version: 3,
    state,
    reason: '',
    replicas: [],
    ready: 2,
    traffic: null,
    url: `/dllab/serve/ada/${name}/`,
    created: 1000,
    updated: 1000,
    ...more
  };
}

export function aVersion(version: number, more: Partial<IModelVersion> = {}): IModelVersion {
  return {
    model: 'digits',
    version,
    format: 'onnx',
    inputs: [aTensor('x', [null, 4])],
    outputs: [aTensor('y', [null, 2])],
    size: 1024,
    sha256: '0'.repeat(64),
    example: '',
    created: 1000,
    ...more
  };
}

export function aTensor(name: string, shape: ITensor['shape'], datatype = 'FP32'): ITensor {
  return { name, datatype, shape };
}
