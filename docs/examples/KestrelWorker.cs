using Microsoft.AspNetCore.Builder;
using Portmap.AspNetCore;

namespace Examples;

/// <summary>A worker that is an ASP.NET Core server.</summary>
public static class KestrelWorker
{
    public static WebApplication Build(string[] args)
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
        builder.WebHost.UsePortmap();
        WebApplication app = builder.Build();
        app.MapGet("/", () => "hello");
        return app;
    }
}
