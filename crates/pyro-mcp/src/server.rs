//! The server as the protocol sees it.
//!
//! Owns: which request goes to which part, and that what is not declared is
//! not answered. Refuses: knowing any tool.

use crate::calls::Calls;
use crate::config::Config;
use crate::resources::{self, Resources};
use crate::tools::Tools;
use crate::{instructions, prompts};
use rmcp::model::{
    CallToolRequestMethod, CallToolRequestParams, CallToolResponse, CompleteRequestMethod,
    CompleteRequestParams, CompleteResult, ConstString, CustomRequest, CustomResult, ErrorCode,
    GetPromptRequestMethod, GetPromptRequestParams, GetPromptResponse, Implementation,
    ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesRequestMethod,
    ListResourceTemplatesResult, ListResourcesRequestMethod, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, PromptsCapability, ReadResourceRequestMethod,
    ReadResourceRequestParams, ReadResourceResponse, ResourcesCapability, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use std::sync::Arc;

/// Serves a client; clones share everything.
#[derive(Clone)]
pub struct Server {
    config: Arc<Config>,
    tools: Arc<Tools>,
    calls: Arc<Calls>,
}

impl Server {
    pub fn new(config: Config) -> Self {
        Self {
            tools: Arc::new(Tools::of(&config)),
            config: Arc::new(config),
            calls: Arc::new(Calls::new()),
        }
    }

    /// None where the surface has none.
    fn resources<M: ConstString>(&self) -> Result<Resources<'_>, ErrorData> {
        match resources::exist(&self.config) {
            true => Ok(Resources::new(&self.config, &self.calls)),
            false => Err(ErrorData::method_not_found::<M>()),
        }
    }

    fn has_prompts(&self) -> bool {
        !prompts::offered(self.config.surface).is_empty()
    }

    /// What it does just now.
    pub fn calls(&self) -> Arc<Calls> {
        self.calls.clone()
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let mut can = ServerCapabilities::builder().enable_tools().build();
        if self.has_prompts() {
            can.prompts = Some(PromptsCapability::default());
        }
        if resources::exist(&self.config) {
            can.resources = Some(ResourcesCapability::default());
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
        let called = self.calls.call(&self.config, tool, arguments, &context);
        let result = called.await;
        Ok(CallToolResponse::from(result))
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        self.resources::<ListResourcesRequestMethod>()?
            .list(cursor.as_deref(), &context.ct)
            .await
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(self
            .resources::<ListResourceTemplatesRequestMethod>()?
            .templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let resources = self.resources::<ReadResourceRequestMethod>()?;
        let read = resources.read(&request.uri, &context.ct).await?;
        Ok(ReadResourceResponse::from(read))
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        if !self.has_prompts() {
            return Err(ErrorData::method_not_found::<ListPromptsRequestMethod>());
        }
        let prompts = prompts::offered(self.config.surface);
        Ok(ListPromptsResult::with_all_items(prompts))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if !self.has_prompts() {
            return Err(ErrorData::method_not_found::<GetPromptRequestMethod>());
        }
        let arguments = request.arguments.unwrap_or_default();
        let result = prompts::filled(self.config.surface, &request.name, &arguments)?;
        Ok(GetPromptResponse::from(result))
    }
    /// The library's own answer would be an empty list, as if there were
    /// completions.
    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }
    /// A request of the protocol comes here when its parameters do not fit.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method;
        if !WITH_PARAMS.contains(&method.as_str()) {
            let unknown = ErrorCode::METHOD_NOT_FOUND;
            return Err(ErrorData::new(unknown, method, None));
        }
        let what = format!(
            "the params of {method} are not what the protocol says; arguments are an object, names are texts"
        );
        Err(ErrorData::invalid_params(what, None))
    }
}

/// Requests which are answered, and cannot do without params.
const WITH_PARAMS: [&str; 3] = [
    CallToolRequestMethod::VALUE,
    GetPromptRequestMethod::VALUE,
    ReadResourceRequestMethod::VALUE,
];
