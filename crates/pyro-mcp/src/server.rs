//! The server as the protocol sees it.
//!
//! Owns: which request goes to which part. Refuses: knowing any tool.

use crate::config::Config;
use crate::tools::Tools;
use crate::{calls, instructions, prompts};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, GetPromptRequestParams, GetPromptResponse,
    Implementation, ListPromptsResult, ListToolsResult, PaginatedRequestParams, PromptsCapability,
    ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use std::sync::Arc;

/// Serves one client.
pub struct Server {
    config: Arc<Config>,
    tools: Arc<Tools>,
}

impl Server {
    pub fn new(config: Config) -> Self {
        Self {
            tools: Arc::new(Tools::of(&config)),
            config: Arc::new(config),
        }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let mut can = ServerCapabilities::builder().enable_tools().build();
        if !prompts::offered(self.config.surface).is_empty() {
            can.prompts = Some(PromptsCapability::default());
        }
        let mut info = ServerConfig::new(can);
        info.server_info = Implementation::new("pyro_mcp", env!("CARGO_PKG_VERSION"));
        info.instructions = Some(instructions::of(&self.config));
        info
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.wire()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let tool = self.tools.named(&request.name)?;
        let arguments = request.arguments.unwrap_or_default();
        let result = calls::call(&self.config, tool, arguments, context).await;
        Ok(CallToolResponse::from(result))
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompts = prompts::offered(self.config.surface);
        Ok(ListPromptsResult::with_all_items(prompts))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let result = prompts::filled(self.config.surface, &request.name, &arguments)?;
        Ok(GetPromptResponse::from(result))
    }
}
