namespace Portmap.Storm.Contestants;

/// <summary>Finds a number that is free at this moment.</summary>
internal interface IPortPicker
{
    int Pick();

    /// <summary>Called once nobody of ours uses the port any more.</summary>
    void Return(int port)
    {
    }
}
