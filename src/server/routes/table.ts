import { eventsRoute } from '../admin/events.ts';
import { adminKeyRoutes } from '../admin/keys.ts';
import { metricsRoute } from '../admin/metrics.ts';
import { quotaRefreshRoute } from '../admin/quota-refresh.ts';
import { reloadRoute } from '../admin/reload.ts';
import { requestRoutes } from '../admin/requests.ts';
import { statusRoute } from '../admin/status.ts';
import { testRouteRoute } from '../admin/test-route.ts';
import { usageRoute } from '../admin/usage.ts';
import { chatCompletionsRoute } from './chat-completions.ts';
import { costEstimateRoute } from './cost-estimate.ts';
import { embeddingsRoute } from './embeddings.ts';
import { geminiRoutes } from './gemini.ts';
import { geminiModelRoutes } from './gemini-models.ts';
import { healthRoutes } from './health.ts';
import { messagesRoutes } from './messages.ts';
import { modelRoutes } from './models.ts';
import { passthroughRoutes } from './passthrough.ts';
import { providersRoute } from './providers.ts';
import { responsesRoutes } from './responses.ts';
import type { Route } from './route.ts';
import { tokenCountRoute } from './token-count.ts';

/** Everything that answers. What is not here is 404. */
export const routes: readonly Route[] = [
  ...healthRoutes,
  chatCompletionsRoute,
  ...messagesRoutes,
  ...responsesRoutes,
  embeddingsRoute,
  ...passthroughRoutes,
  ...geminiRoutes,
  ...geminiModelRoutes,
  ...modelRoutes,
  tokenCountRoute,
  costEstimateRoute,
  providersRoute,
  statusRoute,
  ...adminKeyRoutes,
  usageRoute,
  ...requestRoutes,
  eventsRoute,
  quotaRefreshRoute,
  testRouteRoute,
  metricsRoute,
  reloadRoute,
];
