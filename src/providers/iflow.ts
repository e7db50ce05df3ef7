import { compatible } from './compatible.ts';
import { together } from './field-edits.ts';
import { addDummyTool, hasTools, leadWithOneSystem, stripToolSchemas } from './qwen-body.ts';

/** Closed by its operator on 2026-04-17; kept for keys and mirrors that still answer. */
export const iflow = compatible({
  id: 'iflow',
  names: ['iflowcn'],
  title: 'iFlow',
  baseUrl: 'https://apis.iflow.cn/v1',
  keyEnv: ['IFLOW_API_KEY'],
  key: 'required',
  tier: 5,
  keyUrl: 'https://platform.iflow.cn/profile?tab=apiKey',
  // `stream_options` is answered with 406.
  streamUsage: false,
  editFields: (index) =>
    together(
      leadWithOneSystem(index),
      index.has('tools') && !hasTools(index) ? addDummyTool() : stripToolSchemas(index),
    ),
});
