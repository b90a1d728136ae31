// Message layouts: Configs and client quotas. Facts of Kafka 4.3.1; the notation is described in ../layout.ts.
import type { ApiLayout } from '../layout.ts';

export const configsLayouts: readonly ApiLayout[] = [
  {
    key: 32,
    name: 'DescribeConfigs',
    versions: [1, 4],
    flexibleFrom: 4,
    request: `
      resources: [struct] {
        resourceType: int8
        resourceName: string
        configurationKeys: [string]?
      }
      includeSynonyms: bool
      includeDocumentation: bool 3+
    `,
    response: `
      throttleTimeMs: int32
      results: [struct] {
        errorCode: int16
        errorMessage: string?
        resourceType: int8
        resourceName: string
        configs: [struct] {
          name: string
          value: string?
          readOnly: bool
          configSource: int8 = -1
          isSensitive: bool
          synonyms: [struct] {
            name: string
            value: string?
            source: int8
          }
          configType: int8 3+
          documentation: string? 3+
        }
      }
    `,
  },
  {
    key: 33,
    name: 'AlterConfigs',
    versions: [0, 2],
    flexibleFrom: 2,
    request: `
      resources: [struct] {
        resourceType: int8
        resourceName: string
        configs: [struct] {
          name: string
          value: string?
        }
      }
      validateOnly: bool
    `,
    response: `
      throttleTimeMs: int32
      responses: [struct] {
        errorCode: int16
        errorMessage: string?
        resourceType: int8
        resourceName: string
      }
    `,
  },
  {
    key: 44,
    name: 'IncrementalAlterConfigs',
    versions: [0, 1],
    flexibleFrom: 1,
    request: `
      resources: [struct] {
        resourceType: int8
        resourceName: string
        configs: [struct] {
          name: string
          configOperation: int8
          value: string?
        }
      }
      validateOnly: bool
    `,
    response: `
      throttleTimeMs: int32
      responses: [struct] {
        errorCode: int16
        errorMessage: string?
        resourceType: int8
        resourceName: string
      }
    `,
  },
  {
    key: 74,
    name: 'ListConfigResources',
    versions: [0, 1],
    flexibleFrom: 0,
    request: `
      resourceTypes: [int8] 1+
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      configResources: [struct] {
        resourceName: string
        resourceType: int8 1+ = 16
      }
    `,
  },
  {
    key: 48,
    name: 'DescribeClientQuotas',
    versions: [0, 1],
    flexibleFrom: 1,
    request: `
      components: [struct] {
        entityType: string
        matchType: int8
        match: string?
      }
      strict: bool
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      errorMessage: string?
      entries: [struct]? {
        entity: [struct] {
          entityType: string
          entityName: string?
        }
        values: [struct] {
          key: string
          value: float64
        }
      }
    `,
  },
  {
    key: 49,
    name: 'AlterClientQuotas',
    versions: [0, 1],
    flexibleFrom: 1,
    request: `
      entries: [struct] {
        entity: [struct] {
          entityType: string
          entityName: string?
        }
        ops: [struct] {
          key: string
          value: float64
          remove: bool
        }
      }
      validateOnly: bool
    `,
    response: `
      throttleTimeMs: int32
      entries: [struct] {
        errorCode: int16
        errorMessage: string?
        entity: [struct] {
          entityType: string
          entityName: string?
        }
      }
    `,
  },
];
