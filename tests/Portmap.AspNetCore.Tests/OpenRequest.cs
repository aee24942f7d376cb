namespace Portmap.AspNetCore.Tests;

/// <summary>A request that is under way until the test ends it: the server has begun its answer and
/// waits for a line on its standard input.</summary>
internal sealed class OpenRequest : IDisposable
{
    private readonly HttpClient _client = HttpCalls.Client();
    private readonly Worker _worker;
    private HttpResponseMessage? _response;

    private OpenRequest(Worker worker) => _worker = worker;

    public static async Task<OpenRequest> StartAsync(Worker worker, Version version)
    {
        OpenRequest open = new(worker);
        using HttpRequestMessage request = new(HttpMethod.Get, $"http://127.0.0.1:{worker.Entry.Port}/slow")
        {
            Version = version,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        open._response = await open._client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead).Within();
        return open;
    }

    /// <summary>Lets the server go on, and reads the whole answer.</summary>
    public async Task<string> EndAsync()
    {
        await _worker.Process.Process.StandardInput.WriteLineAsync("go on").Within();
        return await _response!.Content.ReadAsStringAsync().Within();
    }

    public void Dispose()
    {
        _response?.Dispose();
        _client.Dispose();
    }
}
